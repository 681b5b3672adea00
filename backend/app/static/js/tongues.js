// The designer: the preview speaks the language that is being written.
const shown = document.getElementById("f-show");

document.querySelector(".tongues")?.addEventListener("focusin", (event) => {
  const { lang } = event.target;
  if (!lang || lang === shown.value) return;
  shown.value = lang;
  shown.dispatchEvent(new Event("change"));
});
