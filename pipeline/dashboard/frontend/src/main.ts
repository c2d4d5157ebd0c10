import "./style.css";
import "./trusted";

import { VolumeChart, ROLLING } from "./charts/volume";
import { byId, h, setText } from "./dom";
import { SIGN, stepName } from "./format";
import { AgreementPanel } from "./panels/agreement";
import { BrandsPanel } from "./panels/brands";
import { Feed } from "./panels/feed";
import { Header } from "./panels/header";
import { Kpis } from "./panels/kpis";
import { LanguagesPanel } from "./panels/languages";
import { PipelinePanel } from "./panels/pipeline";
import { filters, onChange } from "./state";
import { Stream } from "./stream";
import { onTheme, startTheme } from "./theme";
import type { AnyLabel } from "./types";

startTheme(byId("theme"));

const header = new Header();
const kpis = new Kpis();
const volume = new VolumeChart(byId("volume"));
const languages = new LanguagesPanel();
const brands = new BrandsPanel();
const agreement = new AgreementPanel();
const feed = new Feed();
new PipelinePanel();
const netNote = h("span", { class: "legend-net" });

const legend = (label: AnyLabel): HTMLElement =>
  h("span", { class: "legend-item" }, h("span", { class: `sign ${label}`, "aria-hidden": "true" }, SIGN[label]), label);
const unsureLegend = legend("unsure");
unsureLegend.hidden = true;

byId("volume-legend").append(
  unsureLegend,
  ...(["positive", "neutral", "negative"] as const).map(legend),
  h("span", { class: "legend-item" }, h("span", { class: "sign net", "aria-hidden": "true" }, "\u2501"), netNote),
);

const stream = new Stream(filters(), {
  summary: (part) => {
    kpis.update(part);
    if (part.mood.unsure > 0) feed.offerUnsure();
  },
  series: (part) => {
    setText(netNote, `net, over ${stepName(part.period.step_s * ROLLING)}`);
    unsureLegend.hidden = !(part.series[0]?.unsure.some((n) => n > 0) ?? false);
    volume.update(part);
  },
  languages: (part) => {
    header.offer("languages", part.languages.map((row) => row.language));
    languages.update(part);
  },
  brands: (part) => {
    header.offer("brands", part.brands.map((row) => row.brand));
    brands.update(part);
  },
  agreement: (part) => agreement.update(part),
  mentions: (part) => feed.update(part),
  tick: (part) => {
    if (part.ok) header.fresh(part.newest_stored_age_s);
    header.health(stream.health());
  },
});

onChange((next) => {
  header.render();
  feed.clear();
  stream.view(next);
});
onTheme(() => {
  volume.draw();
  brands.chart.draw();
});
setInterval(() => header.health(stream.health()), 1000);
