"use strict";

const status = document.getElementById("status");
let busy = false; // a key that is pressed meanwhile isn't about the photo that will be shown

/** Does what a button says, and shows the photo that the server answers with. */
async function press(button) {
  if (busy || button.disabled) return;
  busy = true;
  const { key, path, action } = button.dataset;
  try {
    const response = await (action ? decide(button) : fetch("review/issue?" + new URLSearchParams({ path })));
    const text = await response.text();
    if (!response.ok) throw new Error(text);
    const focused = document.activeElement.closest("#issue");
    document.getElementById("issue").replaceWith(document.createRange().createContextualFragment(text));
    status.textContent = document.getElementById("issue").dataset.said;
    if (focused) document.querySelector(`#issue [data-key="${key}"]`).focus();
  } catch (error) {
    status.textContent = error instanceof TypeError ? "The program that serves this page has ended." : error.message;
  } finally {
    busy = false;
  }
}

function decide({ dataset: { path, action, label = document.querySelector("#issue select")?.value } }) {
  const body = JSON.stringify({ path, action, label });
  return fetch("review/decision", { method: "POST", headers: { "Content-Type": "application/json" }, body });
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("#issue button");
  if (button) press(button);
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select")) return;
  const button = document.querySelector(`#issue [data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  // A key that is held down pages on, and decides about one photo only.
  if (!button || (event.repeat && button.dataset.action)) return;
  event.preventDefault();
  press(button);
});
