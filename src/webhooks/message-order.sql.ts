/*
 * The order of messages is that of their sequence, and a message of a lower one may commit after one of
 * a higher: whoever sends in order must know up to which sequence nothing can appear any more. So each
 * publishing transaction holds an advisory lock whose key tells where the sequence stood before it drew
 * its first number. Held shared, by everybody, and waited for by nobody: only looked at. Keys are
 * rounded down to blocks of 1,024, so that a transaction of many messages holds few locks.
 */

/** The high half of the keys; no other lock of this service has it ("MW"). */
const LOCK_CLASS = 0x4d57_0000;
const BLOCK_BITS = 10;

/** Draws the number of the next message. The lock is taken before it is drawn: the CTE makes its row first. */
export const NEXT_SEQUENCE = `
  WITH publishing AS MATERIALIZED (
    SELECT pg_advisory_xact_lock_shared(
      (${LOCK_CLASS}::bigint << 32)
      | ((s.last_value - CASE WHEN s.is_called THEN 0 ELSE 1 END) >> ${BLOCK_BITS}))
    FROM webhook_messages_sequence_seq s)
  SELECT nextval('webhook_messages_sequence_seq') AS sequence FROM publishing`;

/** Where the numbers stand, as text: it changes with whatever is published. Reads one page, takes no lock that anybody waits for. */
export const LAST_DRAWN = `SELECT last_value::text AS last FROM webhook_messages_sequence_seq`;

/** The sequence up to which nothing can appear any more; NULL when nobody is publishing: then all is there. */
export const SETTLED_SEQUENCE = `
  SELECT min(l.objid::bigint) << ${BLOCK_BITS} AS settled_to
  FROM pg_locks l
  WHERE l.locktype = 'advisory' AND l.classid = ${LOCK_CLASS} AND l.objsubid = 1
    AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())`;
