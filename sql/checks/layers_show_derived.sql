-- The layers show what was derived: as many rows, the same totals.
-- One row: one layer that does not.
SELECT v.layer, v.expected, v.found
FROM (
  VALUES
    ('parcel', (SELECT count(*) FROM core.parcel AS p WHERE p.to_run IS NULL),
      (SELECT count(*) FROM layers.parcel)),
    ('enterprise', (SELECT count(*) FROM derived.seat), (SELECT count(*) FROM layers.enterprise)),
    ('enterprise_land', (SELECT count(*) FROM derived.allocation AS a WHERE a.enterprise_code <> ''),
      (SELECT count(*) FROM layers.enterprise_land)),
    ('evaluation_unit', (SELECT count(*) FROM derived.unit), (SELECT count(*) FROM layers.evaluation_unit)),
    ('industrial_patch', (SELECT count(DISTINCT c.patch_code) FROM derived.patch_cover AS c),
      (SELECT count(*) FROM layers.industrial_patch)),
    ('township_coverage', (SELECT count(*) FROM derived.township_coverage),
      (SELECT count(*) FROM layers.township_coverage)),
    ('review_queue', (SELECT count(*) FROM derived.link AS l WHERE l.status = 'review')
      + (SELECT count(*) FROM derived.stale_decision),
      (SELECT count(*) FROM layers.review_queue))
) AS v (layer, expected, found)
WHERE v.expected <> v.found
