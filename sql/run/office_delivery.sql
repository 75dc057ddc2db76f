-- Deliveries that go back to the offices: those in force, as in sql/layers/data_issue.sql, of which a row was
-- wrong, and those that were refused and for which nothing newer came. One row: one delivery.
SELECT
  d.delivery_id, d.feed, d.file, d.layer, d.data_date, d.state, d.content_hash, d.contract_hash, d.detail,
  count(i.issue_id) AS issue_count
FROM ops.delivery AS d
LEFT JOIN ops.issue AS i ON i.delivery_id = d.delivery_id
WHERE (
  d.state IN ('loaded', 'consumed') AND NOT EXISTS (
    SELECT 1
    FROM ops.delivery AS n
    WHERE n.feed = d.feed AND n.state IN ('loaded', 'consumed')
      AND n.since IS NULL AND (n.scope IS NULL OR d.scope <@ n.scope) AND (n.parts IS NULL OR coalesce(d.parts, '{}') <@ n.parts)
      AND (n.data_date, n.delivery_id) > (d.data_date, d.delivery_id)
  )
) OR (
  d.state = 'refused' AND NOT EXISTS (
    SELECT 1
    FROM ops.delivery AS n
    WHERE n.feed = d.feed AND n.state IN ('loaded', 'consumed') AND (n.scope IS NULL OR d.scope <@ n.scope)
      AND (n.data_date, n.delivery_id) > (d.data_date, d.delivery_id)
  )
)
GROUP BY d.delivery_id
HAVING count(i.issue_id) > 0 OR d.state = 'refused'
ORDER BY d.file, d.data_date, d.layer, d.content_hash, d.delivery_id
