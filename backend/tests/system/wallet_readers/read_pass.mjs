// Reads unpacked passes with passkit-generator: `node read_pass.mjs FOLDER...` prints one JSON line for each.
// Whatever it finds wrong it says on standard error, and the tests take any such word for a failure.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { PKPass } from "passkit-generator";

function filesIn(folder, base = folder) {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? filesIn(path, base) : [[relative(base, path), readFileSync(path)]];
  });
}

for (const folder of process.argv.slice(2)) {
  const pass = new PKPass(Object.fromEntries(filesIn(folder)));
  const groups = ["headerFields", "primaryFields", "secondaryFields", "auxiliaryFields", "backFields"];
  const fields = groups.flatMap((group) => pass[group].map((field) => [field.key, String(field.value)]));
  const props = pass.props;
  console.log(
    JSON.stringify({
      type: pass.type,
      serial: props.serialNumber,
      barcode: props.barcodes[0].message,
      voided: Boolean(props.voided),
      fields: Object.fromEntries(fields),
    }),
  );
}
