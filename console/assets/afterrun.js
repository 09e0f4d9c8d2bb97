// Makes pages nicer that are whole without it: copies, selects all, and lets times go on.
"use strict";

const units = [["d", 86400], ["h", 3600], ["min", 60]];

/** "3 min": one unit of so many seconds, a minute or more. */
function long(seconds) {
  const [name, size] = units.find(([, size]) => seconds >= size);
  return `${Math.floor(seconds / size)} ${name}`;
}

/** The server's words stand for the first minute; then they go on by the time since the page came. */
const loaded = Date.now();
function goOn() {
  for (const time of document.querySelectorAll("time[data-ago]")) {
    const seconds = Number(time.dataset.ago) + (Date.now() - (Number(time.dataset.from) || loaded)) / 1000;
    if (seconds >= 60) time.textContent = `${long(seconds)} ago`;
  }
}
setInterval(goOn, 20000);

/** What needs a script is shown only with one. */
function furnish() {
  for (const button of document.querySelectorAll("button.copy")) {
    button.hidden = !navigator.clipboard;
  }
  for (const box of document.querySelectorAll("input.all")) {
    box.hidden = false;
  }
}
furnish();

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button.copy");
  if (!button) return;
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
  button.textContent = "Copied";
});

document.addEventListener("change", (event) => {
  if (!event.target.matches("input.all")) return;
  for (const box of event.target.closest("table").querySelectorAll("tbody input[type=checkbox]")) {
    box.checked = event.target.checked;
  }
});
