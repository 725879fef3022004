// Every number of every row.

import { h } from "../../../../shared/js/dom.js";
import { brief, megabytes } from "../../../../shared/js/numbers.js";
import { saveFile } from "../../../../shared/js/picture.js";

const COLUMNS = [
  ["rank", "rank", (row) => row.rank, (row) => `${row.rank}${row.tied?.length ? " =" : ""}`, -1],
  ["file, MB", "file_mb", (row) => row.file_bytes, (row) => megabytes(row.file_bytes), -1],
  ["bits/weight", "bits", (row) => row.bits, (row) => row.bits.toFixed(2), -1],
  [
    "quantized part",
    "bits_quantized",
    (row) => row.bits_quantized,
    (row) => row.bits_quantized.toFixed(2),
    -1,
  ],
  [
    "KLD mean ± σ, nats",
    "kld",
    (row) => row.kld.mean,
    (row) => `${brief(row.kld.mean)} ± ${brief(row.kld.sigma, 2)}`,
    -1,
  ],
  ["median", "kld_median", (row) => row.kld.median, (row) => brief(row.kld.median), -1],
  ["p99", "kld_p99", (row) => row.kld.p99, (row) => brief(row.kld.p99), -1],
  ["max", "kld_max", (row) => row.kld.max, (row) => brief(row.kld.max), -1],
  [
    "PPL ± σ",
    "ppl",
    (row) => row.ppl,
    (row) => `${brief(row.ppl, 4)} ± ${brief(row.ppl_sigma, 2)}`,
    -1,
  ],
  [
    "PPL ratio, 95 %",
    "ratio",
    (row) => row.ratio,
    (row) => `${row.ratio.toFixed(3)} (${row.ratio_low.toFixed(3)}–${row.ratio_high.toFixed(3)})`,
    -1,
  ],
  [
    "same top, %",
    "same_top",
    (row) => row.same_top,
    (row) => `${(100 * row.same_top).toFixed(1)} ± ${(100 * row.same_top_sigma).toFixed(1)}`,
    1,
  ],
  ["RMS Δp", "rms_dp", (row) => row.rms_dp, (row) => brief(row.rms_dp), -1],
  ["prefill, tok/s", "prefill", (row) => row.prefill, (row) => brief(row.prefill), 1],
  ["decode, tok/s", "decode", (row) => row.decode, (row) => brief(row.decode), 1],
  [
    "resident, MB",
    "resident_mb",
    (row) => row.resident_bytes,
    (row) => megabytes(row.resident_bytes),
    -1,
  ],
  ["to quantize, s", "seconds", (row) => row.seconds, (row) => brief(row.seconds, 2), -1],
];

/** Open the view. */
export function openTable(figure, panel) {
  const state = { by: 0, up: true, open: new Set() };
  let data = null;
  const wide = h("div", {
    class: "wide scroll",
    tabindex: 0,
    role: "region",
    "aria-label": "Table of formats",
  });
  const save = h(
    "button",
    {
      type: "button",
      onclick: () => saveFile(figure.root, "quantization.csv", "text/csv", csv(data)),
    },
    "CSV",
  );
  panel.append(
    wide,
    h(
      "div",
      { class: "filters padded-row" },
      save,
      h(
        "span",
        {},
        "MB are 10⁶ bytes, of a file its weights. Rank is 1 + the rows that are better beyond doubt; = marks rows that it cannot be told from. Bold is the best of a column. Open a row for its tensors.",
      ),
    ),
  );
  const draw = () => {
    const done = data.rows.filter(({ status }) => status === "done");
    const best = COLUMNS.map(([, , value, , sign]) =>
      Math.max(...done.map((row) => sign * (value(row) ?? -sign * Infinity))),
    );
    const order = data.rows.toSorted((one, other) => compareRows(one, other, state));
    wide.replaceChildren(
      h(
        "table",
        { class: "rows" },
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            h("th", { scope: "col" }, "format"),
            COLUMNS.map(([name], index) => header(name, index)),
          ),
        ),
        h(
          "tbody",
          {},
          baseRow(data.base),
          order.flatMap((row) => rowOf(row, best)),
        ),
      ),
    );
  };
  const header = (name, index) =>
    h(
      "th",
      {
        scope: "col",
        class: "num",
        "aria-sort": state.by === index ? (state.up ? "ascending" : "descending") : "none",
      },
      h(
        "button",
        {
          type: "button",
          class: "plain",
          onclick: () => {
            state.up = state.by === index ? !state.up : true;
            state.by = index;
            draw();
          },
        },
        name,
        state.by === index ? (state.up ? " ↑" : " ↓") : "",
      ),
    );
  const rowOf = (row, best) => {
    if (row.status !== "done") {
      const text =
        row.status === "failed"
          ? [h("b", {}, row.error?.what ?? "Failed."), " ", row.error?.remedy ?? ""]
          : row.status === "running"
            ? "measuring …"
            : "waiting";
      return [
        h(
          "tr",
          {},
          h("th", { scope: "row" }, row.format),
          h("td", { colspan: COLUMNS.length, class: "said" }, text),
        ),
      ];
    }
    const opened = state.open.has(row.format);
    const toggle = h(
      "button",
      {
        type: "button",
        class: "plain",
        "aria-expanded": String(opened),
        onclick: () => {
          if (!state.open.delete(row.format)) state.open.add(row.format);
          draw();
          wide.querySelector(`[data-format="${CSS.escape(row.format)}"]`)?.focus();
        },
        "data-format": row.format,
      },
      opened ? "▾ " : "▸ ",
      row.format,
    );
    const cells = COLUMNS.map(([, , value, text, sign], index) =>
      h(
        "td",
        { class: `num${sign * value(row) === best[index] && index > 0 ? " best" : ""}` },
        text(row),
      ),
    );
    const line = h("tr", {}, h("th", { scope: "row" }, toggle), cells);
    return opened
      ? [line, h("tr", {}, h("td", { colspan: COLUMNS.length + 1 }, detail(row)))]
      : [line];
  };
  return (next) => {
    data = next;
    draw();
  };
}

function compareRows(one, other, { by, up }) {
  if ((one.status === "done") !== (other.status === "done")) return one.status === "done" ? -1 : 1;
  if (one.status !== "done") return 0;
  const value = COLUMNS[by][2];
  return (up ? 1 : -1) * ((value(one) ?? Infinity) - (value(other) ?? Infinity));
}

function baseRow(base) {
  if (!base?.ppl) return null;
  const known = {
    "file, MB": megabytes(base.file_bytes),
    "bits/weight": base.bits.toFixed(2),
    "PPL ± σ": `${brief(base.ppl, 4)} ± ${brief(base.ppl_sigma, 2)}`,
    "prefill, tok/s": brief(base.prefill),
    "decode, tok/s": brief(base.decode),
    "resident, MB": megabytes(base.resident_bytes),
  };
  return h(
    "tr",
    { class: "current" },
    h("th", { scope: "row" }, "base"),
    COLUMNS.map(([name]) => h("td", { class: "num" }, known[name] ?? "")),
  );
}

function detail(row) {
  const tensors = row.tensors.toSorted(
    (one, other) => Number(Boolean(other.reason)) - Number(Boolean(one.reason)),
  );
  const kinds = new Map();
  for (const tensor of row.tensors) kinds.set(tensor.type, (kinds.get(tensor.type) ?? 0) + 1);
  return h(
    "div",
    { class: "detail" },
    h("p", {}, `${row.version}. ${row.runtime}.`),
    h(
      "ul",
      {},
      row.notes.map((note) => h("li", {}, note)),
    ),
    h("p", {}, [...kinds].map(([type, count]) => `${count} × ${type}`).join(", ")),
    h(
      "details",
      {},
      h("summary", {}, `${tensors.length} tensors`),
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            ["tensor", "shape", "asked", "used", "why", "bits", "codes", "SQNR, dB"].map((name) =>
              h("th", { scope: "col" }, name),
            ),
          ),
        ),
        h(
          "tbody",
          {},
          tensors.map((tensor) =>
            h(
              "tr",
              {},
              h("th", { scope: "row", class: "token" }, tensor.name),
              h("td", {}, tensor.shape.join(" × ")),
              h("td", {}, tensor.asked),
              h("td", {}, tensor.type),
              h("td", {}, tensor.reason),
              h("td", { class: "num" }, tensor.bits.toFixed(3)),
              h("td", { class: "num" }, tensor.distinct_codes),
              h("td", { class: "num" }, tensor.sqnr === null ? "lossless" : tensor.sqnr.toFixed(1)),
            ),
          ),
        ),
      ),
    ),
  );
}

/** The rows as comma-separated values; a cell that a spreadsheet would compute is quoted as text. */
function csv(data) {
  const quote = (value) => {
    const text = String(value ?? "");
    const safe = /^[=+\-@\t]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
    return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const head = ["format", "engine", "version", ...COLUMNS.map(([, name]) => name)];
  const lines = data.rows
    .filter(({ status }) => status === "done")
    .map((row) => [
      row.format,
      row.engine,
      row.version,
      ...COLUMNS.map(([, , value]) => value(row)),
    ]);
  return [head, ...lines].map((line) => line.map(quote).join(",")).join("\r\n");
}
