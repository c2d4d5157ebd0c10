-- A label that is no class: the model would be wrong too often to say one (docs/abstention.md). It has rollup cells of its
-- own, so it is never in neutral. Widening an Enum changes metadata only: no part is rewritten, also where the label is
-- in the sorting key (ClickHouse allows it there because the order of the values that exist stays).
ALTER TABLE {{table mentions}} {{on_cluster}}
  MODIFY COLUMN IF EXISTS label Enum8('negative' = -1, 'neutral' = 0, 'positive' = 1, 'unsure' = 2);
ALTER TABLE {{table mention_locations}} {{on_cluster}}
  MODIFY COLUMN IF EXISTS label Enum8('negative' = -1, 'neutral' = 0, 'positive' = 1, 'unsure' = 2);
ALTER TABLE {{table judgements}} {{on_cluster}}
  MODIFY COLUMN IF EXISTS label Enum8('negative' = -1, 'neutral' = 0, 'positive' = 1, 'unsure' = 2);
ALTER TABLE {{table rollup_recent}} {{on_cluster}}
  MODIFY COLUMN IF EXISTS label Enum8('negative' = -1, 'neutral' = 0, 'positive' = 1, 'unsure' = 2);
ALTER TABLE {{table rollup_minute}} {{on_cluster}}
  MODIFY COLUMN IF EXISTS label Enum8('negative' = -1, 'neutral' = 0, 'positive' = 1, 'unsure' = 2);
ALTER TABLE {{table rollup_hour}} {{on_cluster}}
  MODIFY COLUMN IF EXISTS label Enum8('negative' = -1, 'neutral' = 0, 'positive' = 1, 'unsure' = 2);

{{alter_distributed mentions by
  MODIFY COLUMN IF EXISTS label Enum8('negative' = -1, 'neutral' = 0, 'positive' = 1, 'unsure' = 2)}};
{{alter_distributed mention_locations by
  MODIFY COLUMN IF EXISTS label Enum8('negative' = -1, 'neutral' = 0, 'positive' = 1, 'unsure' = 2)}};
{{alter_distributed judgements by
  MODIFY COLUMN IF EXISTS label Enum8('negative' = -1, 'neutral' = 0, 'positive' = 1, 'unsure' = 2)}};
{{alter_distributed rollup_recent by
  MODIFY COLUMN IF EXISTS label Enum8('negative' = -1, 'neutral' = 0, 'positive' = 1, 'unsure' = 2)}};
{{alter_distributed rollup_minute by
  MODIFY COLUMN IF EXISTS label Enum8('negative' = -1, 'neutral' = 0, 'positive' = 1, 'unsure' = 2)}};
{{alter_distributed rollup_hour by
  MODIFY COLUMN IF EXISTS label Enum8('negative' = -1, 'neutral' = 0, 'positive' = 1, 'unsure' = 2)}};
