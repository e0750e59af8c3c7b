// Keeps the list of messages and the faults' chips live. Everything else is links and forms of the page itself.

const EVERY_MS = 1000;
let tag = "";

/** Shows times in the reader's own zone. */
function localize(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    time.textContent = "full" in time.dataset ? at.toLocaleString() : at.toLocaleTimeString();
  }
}

/** Puts new content into a part of the page, keeps scroll position and focus, and marks what is new. */
function replace(id, fresh) {
  const old = document.getElementById(id);
  if (!old || !fresh) return;
  const known = new Set([...old.querySelectorAll("a.row")].map((row) => row.getAttribute("href")));
  const focused = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  const top = old.scrollTop;
  old.replaceChildren(...fresh.childNodes);
  old.scrollTop = top;
  for (const row of old.querySelectorAll("a.row")) {
    if (known.size && !known.has(row.getAttribute("href"))) row.classList.add("fresh");
    if (row.getAttribute("href") === focused) row.focus({ preventScroll: true });
  }
  localize(old);
}

async function refresh() {
  const answer = await fetch(`/lab/page/list${location.search}`, { headers: tag ? { "If-None-Match": tag } : {} });
  if (answer.status !== 200) return;
  tag = answer.headers.get("ETag") ?? "";
  const text = await answer.text();
  const fresh = new DOMParser().parseFromString(text, "text/html");
  replace("chips", fresh.getElementById("chips"));
  replace("list", fresh.getElementById("list"));
}

async function keepLooking() {
  for (;;) {
    if (!document.hidden) await refresh().catch(() => {}); // the lab was stopped, or is starting again
    await new Promise((wake) => setTimeout(wake, EVERY_MS));
  }
}

// A filter acts at once; the button is for pages without this script.
for (const field of document.querySelectorAll(".filter select, .filter input")) {
  field.addEventListener("change", () => field.form.requestSubmit());
}
// A note told once is gone after a reload.
const here = new URL(location.href);
if (here.searchParams.has("note")) {
  here.searchParams.delete("note");
  history.replaceState(null, "", here);
}
localize(document);
keepLooking();
