// Makes pages nicer that are whole without it: copies, selects all, lets times go on, and shows what
// changes while a page is open.
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

/** Takes over what may change from the same page as it is now; not from under somebody's hands. */
async function renew() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  // Signed out meanwhile: a whole page says so.
  if (answer.redirected || answer.status === 401) return location.reload();
  if (!answer.ok) throw new Error(answer.status);
  const now = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const busy = part.contains(document.activeElement) || part.querySelector("input:checked");
    const next = now.getElementById(part.id);
    if (busy || !next) continue;
    for (const details of part.querySelectorAll("details[open]")) {
      const same = details.id && next.querySelector(`#${CSS.escape(details.id)}`);
      if (same) same.open = true;
    }
    for (const time of next.querySelectorAll("time[data-ago]")) time.dataset.from = Date.now();
    part.replaceWith(next);
  }
  furnish();
}

const pause = document.getElementById("live");
if (pause && window.EventSource) {
  let stream, changed, renewing;
  /** One after the other, and only while somebody sees it. */
  async function keepUp() {
    if (renewing || !changed || !stream) return;
    [changed, renewing] = [false, true];
    try {
      await renew();
    } catch {
      // Away for a moment: the next stream begins with a change.
    }
    renewing = false;
    keepUp();
  }
  function take() {
    changed = true;
    keepUp();
  }
  /** A page that nobody sees takes none of the few connections that a browser has. */
  function follow() {
    const on = !sessionStorage.getItem("paused");
    pause.setAttribute("aria-pressed", String(!on));
    pause.textContent = on ? "Pause" : "Paused";
    pause.title = on ? "This page shows what changes; stop that" : "Show what changes again";
    const wanted = on && !document.hidden;
    if (wanted === Boolean(stream)) return;
    stream?.close();
    stream = wanted ? new EventSource("/live") : undefined;
    stream?.addEventListener("change", () => {
      pause.textContent = "Pause";
      take();
    });
    stream?.addEventListener("error", lost);
  }
  /** A browser opens an ended stream again by itself, but not one that was refused. */
  function lost() {
    pause.textContent = "Not live";
    if (stream?.readyState !== EventSource.CLOSED) return;
    stream = undefined;
    setTimeout(follow, 10000);
  }
  pause.hidden = false;
  pause.addEventListener("click", () => {
    if (sessionStorage.getItem("paused")) sessionStorage.removeItem("paused");
    else sessionStorage.setItem("paused", "yes");
    follow();
    take();
  });
  document.addEventListener("visibilitychange", () => {
    follow();
    take();
  });
  follow();
}
