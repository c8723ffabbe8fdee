// Turns the steps of the first run as data arrive.

const EVERY_MS = 2000;
const panel = document.getElementById("progress");
const live = panel.querySelector(".live");
let timer;

function turn(progress) {
  for (const key of ["connected", "span", "service", "logs"]) {
    const step = panel.querySelector(`[data-step="${key}"]`);
    if (String(progress[key]) === step.dataset.done) continue;
    step.dataset.done = String(progress[key]);
    step.querySelector(".state").textContent = progress[key] ? "done" : "waiting";
  }
  const hint = panel.querySelector("[data-step='service'] .hint");
  let text = "set OTEL_SERVICE_NAME";
  if (progress.service_name !== null) text = `“${progress.service_name}” has arrived`;
  else if (progress.unnamed) text = "rows arrived without service.name: set OTEL_SERVICE_NAME";
  if (hint.textContent !== text) hint.textContent = text;
  panel.dataset.done = String(progress.done);
}

async function look() {
  clearTimeout(timer);
  if (panel.dataset.done === "true" || document.hidden) {
    live.hidden = true;
    return;
  }
  live.hidden = false;
  try {
    const answer = await fetch("/start/progress");
    if (answer.ok) turn(await answer.json());
  } catch {
    // The program may be restarting; the next look tells.
  }
  if (panel.dataset.done === "true") live.hidden = true;
  else timer = setTimeout(look, EVERY_MS);
}

document.addEventListener("visibilitychange", look);
look();
