// The stamps of the card beside the choices show the picture that is chosen; the colours follow without a script.
const stamps = document.querySelectorAll(".look-icon");
for (const input of document.querySelectorAll('.look-step input[name="icon"]')) {
  input.addEventListener("change", () => {
    for (const stamp of stamps) stamp.setAttribute("href", stamp.getAttribute("href").replace(/#.*$/, `#${input.value}`));
  });
}
