/** The table by language: mentions, shares, net sentiment, how sure the model is there. */

import { byId, h, replaceKeepingFocus, setText } from "../dom";
import { count, languageName } from "../format";
import { langAttribute } from "../safe-text";
import { filters, setFilters } from "../state";
import type { LanguageRow, Languages } from "../types";
import { headRow, netCell, shareCell, showUnsure, sureCell, TRUST_HEAD, trustCell, trustLegend, UNSURE_HEAD, unsureCell } from "./table";

export class LanguagesPanel {
  private readonly body = h("tbody");
  private readonly root = byId("languages");

  constructor() {
    byId("languages-note").after(trustLegend());
    this.root.append(
      h("table", {},
        h("caption", { class: "unseen" }, "Mentions and sentiment by language"),
        headRow([
          ["Language", "The language of the text; choose one to filter", "text"],
          ["Mentions", "Mentions in the window"],
          ["\u25bc Neg", "Share of negative mentions"],
          ["\u25cf Neu", "Share of neutral mentions"],
          ["\u25b2 Pos", "Share of positive mentions"],
          UNSURE_HEAD,
          ["Net", "Positive minus negative, in points"],
          TRUST_HEAD,
          ["Sure", "How sure the model is: mean probability of the chosen label"],
          ["Lang", "How sure the language is: mean probability of the detected language"],
        ]),
        this.body),
    );
  }

  update(part: Languages): void {
    const chosen = filters().language;
    const rows = part.languages.filter((row) => row.mentions > 0 || row.language === chosen);
    const anyUnsure = rows.some((row) => row.mood.unsure > 0);
    showUnsure(this.root, anyUnsure);
    const few = rows.filter((row) => row.mood.few).length;
    setText(byId("languages-note"), rows.length === 0 ? "" : `${rows.length}` + (few ? `; ~ marks ${few} with few ${anyUnsure ? "judged" : "mentions"}` : ""));
    if (rows.length === 0) {
      replaceKeepingFocus(this.body, h("tr", {}, h("td", { colspan: 10, class: "empty" }, "No mentions in this window yet")));
      return;
    }
    replaceKeepingFocus(this.body, ...rows.map((row) => this.row(row, row.language === chosen, anyUnsure)));
  }

  private row(row: LanguageRow, chosen: boolean, anyUnsure: boolean): HTMLTableRowElement {
    const pick = h(
      "button",
      {
        type: "button", class: "pick", "data-key": `language-${row.language}`, "aria-pressed": String(chosen),
        click: () => setFilters({ language: chosen ? "" : row.language }),
      },
      h("span", {}, languageName(row.language)), " ",
      h("span", { class: "tag", lang: langAttribute(row.language) }, row.language),
    );
    return h("tr", { class: chosen ? "chosen" : "" },
      h("th", { scope: "row", class: "text" }, pick),
      h("td", { class: "number strong" }, count(row.mentions)),
      shareCell(row.mood, "negative"), shareCell(row.mood, "neutral"), shareCell(row.mood, "positive"),
      anyUnsure ? unsureCell(row.mood) : null,
      netCell(row.mood), trustCell(row.trust), sureCell(row.mood.confidence), sureCell(row.mood.language_confidence));
  }
}
