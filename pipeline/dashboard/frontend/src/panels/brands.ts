/** The brands side by side: a chart of the shares, and their numbers. */

import { BrandsChart } from "../charts/brands";
import { byId, h, replaceKeepingFocus, setText } from "../dom";
import { brandName, count, percent } from "../format";
import { filters, setFilters } from "../state";
import type { BrandRow, Brands } from "../types";
import { headRow, netCell, shareCell, showUnsure, UNSURE_HEAD, unsureCell } from "./table";

const toggle = (brand: string): void => setFilters({ brand: filters().brand === brand ? "" : brand });

export class BrandsPanel {
  readonly chart = new BrandsChart(byId("brands-chart"), toggle);
  private readonly body = h("tbody");

  constructor() {
    byId("brands").append(
      h("table", {},
        h("caption", { class: "unseen" }, "Mentions and sentiment by brand"),
        headRow([
          ["Brand", "Choose one to filter", "text"],
          ["Mentions", "Mentions in the window; one that names two brands counts for both"],
          ["Voice", "Share of voice: of all brand mentions"],
          ["\u25bc Neg", "Share of negative mentions"],
          ["\u25b2 Pos", "Share of positive mentions"],
          UNSURE_HEAD,
          ["Net", "Positive minus negative, in points"],
        ]),
        this.body),
    );
  }

  update(part: Brands): void {
    const chosen = filters().brand;
    const rows = part.brands.filter((row) => row.mentions > 0 || row.brand === chosen);
    setText(byId("brands-note"), rows.length ? `${rows.length}` : "");
    this.chart.update(rows);
    const anyUnsure = rows.some((row) => row.mood.unsure > 0);
    showUnsure(byId("brands"), anyUnsure);
    if (rows.length === 0) {
      replaceKeepingFocus(this.body, h("tr", {}, h("td", { colspan: 7, class: "empty" }, "No brand mentioned in this window yet")));
      return;
    }
    replaceKeepingFocus(this.body, ...rows.map((row) => this.row(row, row.brand === chosen, anyUnsure)));
  }

  private row(row: BrandRow, chosen: boolean, anyUnsure: boolean): HTMLTableRowElement {
    return h("tr", { class: chosen ? "chosen" : "" },
      h("th", { scope: "row", class: "text" },
        h("button", { type: "button", class: "pick", "data-key": `brand-${row.brand}`, "aria-pressed": String(chosen), click: () => toggle(row.brand) },
          h("bdi", {}, brandName(row.brand)))),
      h("td", { class: "number strong" }, count(row.mentions)),
      h("td", { class: "number" }, percent(row.share_of_voice)),
      shareCell(row.mood, "negative"), shareCell(row.mood, "positive"), anyUnsure ? unsureCell(row.mood) : null, netCell(row.mood));
  }
}
