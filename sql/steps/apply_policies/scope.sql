-- The table of this step is replaced whole.
SELECT 'whole' AS kind, '' AS key
