import { QueryRunnerAlreadyReleasedError, QueryRunnerProviderAlreadyReleasedError } from 'typeorm';
import { isDatabaseAway, isUnstorable } from '../../../src/platform/database/pg-errors.js';

/** As the driver makes them. */
function refusal(code: string, more: object = {}): Error {
  return Object.assign(new Error('refused'), { code, severity: 'ERROR', ...more });
}

describe('isDatabaseAway', () => {
  it.each([
    ['connection_failure', refusal('08006')],
    ['disk_full', refusal('53100')],
    ['out_of_memory', refusal('53200')],
    ['too_many_connections', refusal('53300')],
    ['admin_shutdown', refusal('57P01')],
    ['crash_shutdown', refusal('57P02')],
    ['cannot_connect_now', refusal('57P03')],
    ['io_error', refusal('58030')],
    ['read_only_sql_transaction', refusal('25006')],
    ['a quota, which has no code', refusal('XX000', { routine: 'mdzeroextend' })],
    ['a refused connection', Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })],
    ['a connection that ended', new Error('Connection terminated unexpectedly')],
    ['one that was closed', new Error('Client was closed and is not queryable')],
    ['one that does not answer', new Error('Query read timeout')],
    ['one that is not to be had', new Error('timeout exceeded when trying to connect')],
    ['a transaction whose connection was lost', new QueryRunnerAlreadyReleasedError()],
    ['the same, before a question', new QueryRunnerProviderAlreadyReleasedError()],
    ['one that TypeORM wrapped', Object.assign(new Error('x'), { driverError: refusal('53100') })],
  ])('is true of %s', (_, error) => {
    expect(isDatabaseAway(error)).toBe(true);
    expect(isUnstorable(error)).toBe(false);
  });

  it.each([
    ['a value out of range', refusal('22003')],
    ['a broken constraint', refusal('23505')],
    ['a serialization failure', refusal('40001')],
    ['a row that is too large', refusal('54000')],
    ['a statement that took too long', refusal('57014')],
    ['damaged data', refusal('XX001', { routine: 'mdreadv' })],
    ['any other internal error', refusal('XX000', { routine: 'ExecModifyTable' })],
    ['a fault of ours', new TypeError('x is undefined')],
    ['no error', 'ECONNREFUSED'],
  ])('is false of %s', (_, error) => {
    expect(isDatabaseAway(error)).toBe(false);
  });
});
