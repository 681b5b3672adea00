// Makes passes with npm's passkit-generator and prints the CPU time of one.
// Usage: node passkit_generator.mjs FOLDER COUNT, from a folder where the package is installed.
import { readFileSync, readdirSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { join, relative } from "node:path";

const require = createRequire(join(process.cwd(), "package.json"));
const { PKPass } = require("passkit-generator");
const [folder, count] = [process.argv[2], Number(process.argv[3])];

function* walk(from) {
  for (const name of readdirSync(from)) {
    const path = join(from, name);
    if (statSync(path).isDirectory()) yield* walk(path);
    else yield path;
  }
}

const files = {};
for (const path of walk(join(folder, "files"))) files[relative(join(folder, "files"), path)] = readFileSync(path);
const content = JSON.parse(readFileSync(join(folder, "pass.json")));
const certificates = {
  signerCert: readFileSync(join(folder, "leaf.pem")),
  signerKey: readFileSync(join(folder, "key.pem")),
  wwdr: readFileSync(join(folder, "wwdr.pem")),
  signerKeyPassphrase: "bench",
};

function make(number) {
  const own = { ...content, serialNumber: String(number) };
  const pass = new PKPass({ ...files, "pass.json": Buffer.from(JSON.stringify(own)) }, certificates);
  return pass.getAsBuffer();
}

make(0);
const before = process.cpuUsage();
let bytes = 0;
for (let number = 1; number <= count; number++) bytes = make(number).length;
const spent = process.cpuUsage(before);
console.log(JSON.stringify({ seconds: (spent.user + spent.system) / 1e6 / count, bytes }));
