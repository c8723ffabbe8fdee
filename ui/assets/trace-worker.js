// Fetches the outline of a trace, decodes it as it comes, and works out what the page needs, beside the page's thread.

import { colours, criticalPath, groups, inGroups, shape, strip } from "./trace-model.js";
import { Decoder } from "./trace-outline.js";

self.addEventListener("message", async ({ data }) => {
  try {
    const outline = await load(data.address);
    const { model, buffers } = work(outline);
    self.postMessage({ model }, buffers);
  } catch (error) {
    self.postMessage({ error: error.message, status: error.status ?? 0 });
  }
});

async function load(address) {
  const answer = await fetch(address).catch(() => {
    throw new Error("the program does not answer");
  });
  if (!answer.ok) {
    const said = await answer.json().catch(() => null);
    throw Object.assign(new Error(said?.error?.message ?? `${address} answered ${answer.status}`), { status: answer.status });
  }
  const decoder = new Decoder();
  const reader = answer.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (decoder.push(value)) self.postMessage({ rows: decoder.outline.rows, of: decoder.outline.head.rows });
  }
  if (!decoder.isWhole) throw new Error("the outline ended on its way");
  return decoder.outline;
}

/** Everything that follows from the rows, and the memory that goes to the page with it. */
function work(outline) {
  const { depth, size } = shape(outline.parent);
  const alike = groups(outline, size);
  const model = {
    ...outline,
    depth,
    size,
    critical: criticalPath(outline, size),
    groups: alike,
    inGroups: inGroups(outline.parent, alike.of),
    strip: strip(outline, depth, outline.head.duration_ns),
    colour: colours(outline.services),
  };
  const arrays = [...Object.values(model), ...Object.values(model.groups), ...Object.values(model.strip)];
  const buffers = new Set(arrays.filter((value) => ArrayBuffer.isView(value)).map((value) => value.buffer));
  return { model, buffers: [...buffers] };
}
