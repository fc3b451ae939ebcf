"use strict";

const [input, status, answers, unanswered] =
  ["photos", "status", "answers", "unanswered"].map((id) => document.getElementById(id));
let current; // the files whose answers are shown

/** Sends files one by one, and shows each answer, or the reason for none, as it arrives. */
async function ask(files) {
  current = files;
  answers.replaceChildren();
  for (const [place, file] of files.entries()) {
    status.textContent = `Photo ${place + 1} of ${files.length} …`;
    const answer = await answerFor(file);
    if (current !== files) return;
    answers.append(answer);
  }
  status.textContent = `${files.length} of ${files.length} done`;
}

async function answerFor(file) {
  try {
    const response = await fetch("answer?" + new URLSearchParams({ name: file.name }), { method: "POST", body: file });
    if (!response.headers.get("content-type").startsWith("text/html")) throw new Error(response.statusText);
    return document.createRange().createContextualFragment(await response.text());
  } catch {
    const answer = unanswered.content.cloneNode(true);
    answer.querySelector("h2").textContent = file.name;
    return answer;
  }
}

input.addEventListener("change", () => {
  if (input.files.length) ask([...input.files]);
  input.value = ""; // so that the same photo can be chosen again
});
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  if (event.dataTransfer.files.length) ask([...event.dataTransfer.files]);
});
