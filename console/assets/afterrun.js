// Makes pages nicer that are whole without it.
"use strict";

// "3 min ago" goes on while the page stands.
const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
function long(seconds) {
  for (const [name, size] of units) {
    if (seconds >= size * (size === 86400 ? 2 : 1) || size === 1) {
      return Math.floor(seconds / size) + " " + name;
    }
  }
}
const skew = () => 0;
function tick() {
  for (const time of document.querySelectorAll("time[data-ago]")) {
    const seconds = Math.round((Date.now() - skew() - Date.parse(time.dateTime)) / 1000);
    if (seconds < 60) continue; // The server's words stand for the first minute.
    time.textContent = long(seconds) + " ago";
  }
}
setInterval(tick, 20000);
