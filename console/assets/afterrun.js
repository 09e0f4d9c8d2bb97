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
  await navigator.clipboard.writeText(button.value);
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = "Copy"), 2000);
});

document.addEventListener("change", (event) => {
  if (!event.target.matches("input.all")) return;
  for (const box of event.target.closest("table").querySelectorAll("tbody input[type=checkbox]")) {
    box.checked = event.target.checked;
  }
});

/** What stands for this in the same part as it is now: by what it is, then by its place among such. */
function counterpart(element, part, next) {
  let like = element.localName;
  for (const name of ["id", "name", "value", "href", "aria-label", "action"]) {
    const value = element.getAttribute(name);
    if (value !== null) like += `[${name}="${CSS.escape(value)}"]`;
  }
  return next.querySelectorAll(like)[[...part.querySelectorAll(like)].indexOf(element)];
}

/** What a person has done to a part stays: opened, ticked, moved to. False where it could not. */
function keep(part, next) {
  for (const box of part.querySelectorAll("tbody input:checked")) {
    const same = counterpart(box, part, next);
    if (!same) return false;
    same.checked = true;
  }
  for (const box of part.querySelectorAll("input.all:checked")) {
    counterpart(box, part, next).checked = true;
  }
  for (const details of part.querySelectorAll("details")) {
    const same = counterpart(details, part, next);
    if (same) same.open = details.open;
  }
  return true;
}

/** Where it was moved to is known only once it is in the page. */
const scrolls = (part) => [part, ...part.querySelectorAll(".scroll, pre")];

/** Takes over what may change from the same page as it is now; not from under somebody's hands. */
async function renew() {
  // Nobody did this, so it must not keep a session that is left alone from its end.
  const headers = { Accept: "text/html", "Afterrun-Renewal": "yes" };
  const answer = await fetch(location.href, { headers });
  // Signed out meanwhile: a whole page says so.
  if (answer.redirected || answer.status === 401) return location.reload();
  if (!answer.ok) throw new Error(answer.status);
  const now = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = now.getElementById(part.id);
    const chosen = getSelection();
    const marked = !chosen.isCollapsed && chosen.containsNode(part, true);
    const at = part.contains(document.activeElement) && document.activeElement;
    const focused = at && counterpart(at, part, next ?? part);
    if (!next || marked || (at && !focused) || !keep(part, next)) continue;
    for (const time of next.querySelectorAll("time[data-ago]")) time.dataset.from = Date.now();
    const moved = scrolls(part).map((box) => [box.scrollLeft, box.scrollTop]);
    const [x, y] = [scrollX, scrollY];
    part.replaceWith(next);
    furnish();
    scrolls(next).forEach((box, place) => box.scrollTo(...(moved[place] ?? [0, 0])));
    scrollTo(x, y);
    if (focused) focused.focus({ preventScroll: true });
  }
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
    // The way in says why, and what was shown is shown to nobody else.
    stream?.addEventListener("ended", () => location.reload());
    stream?.addEventListener("error", lost);
  }
  /** A browser opens an ended stream again by itself, but not one that was refused. */
  function lost() {
    pause.textContent = "Not live";
    if (stream?.readyState !== EventSource.CLOSED) return;
    stream = undefined;
    // It may be refused for that nobody is signed in any more.
    renew().catch(() => {});
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
