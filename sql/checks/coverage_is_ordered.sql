-- Invariant 4: 0 <= evaluated <= covered <= linked <= base, and covered lies between the larger of
-- evaluated and transition and their sum. One row: one patch part or assessment unit that breaks it.
SELECT c.patch_code || ' ' || c.area_code AS place, c.base_area_m2, c.linked_area_m2, c.covered_area_m2,
  c.evaluated_area_m2, c.transition_area_m2
FROM derived.patch_cover AS c
WHERE c.evaluated_area_m2 < 0 OR c.transition_area_m2 < 0
  OR greatest(c.evaluated_area_m2, c.transition_area_m2) > c.covered_area_m2
  OR c.covered_area_m2 > c.evaluated_area_m2 + c.transition_area_m2 + 0.001
  OR c.covered_area_m2 > c.linked_area_m2
  OR c.linked_area_m2 > c.base_area_m2
UNION ALL
SELECT u.area_code, u.base_area_m2, u.linked_area_m2, u.covered_area_m2, u.evaluated_area_m2, u.transition_area_m2
FROM derived.township_coverage AS u
WHERE u.evaluated_area_m2 < 0
  OR u.evaluated_area_m2 > u.covered_area_m2
  OR u.covered_area_m2 > u.linked_area_m2
  OR u.linked_area_m2 > u.base_area_m2
