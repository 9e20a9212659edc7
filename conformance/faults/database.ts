import { randomBytes } from 'node:crypto';
import { TEST_DATABASE_URL } from '@slipway/records/testing';
import pg from 'pg';

/** A new, empty database on the test server, and its removal. */
export async function temporaryDatabase(): Promise<{ readonly url: string; remove(): Promise<void> }> {
  if (TEST_DATABASE_URL === undefined) throw new Error('SLIPWAY_TEST_DATABASE_URL is not set');
  const name = `slipway_fault_${randomBytes(8).toString('hex')}`;
  const admin = async (text: string) => {
    const client = new pg.Client({ connectionString: TEST_DATABASE_URL });
    await client.connect();
    try {
      await client.query(text);
    } finally {
      await client.end();
    }
  };
  await admin(`create database ${name}`);
  const url = new URL(TEST_DATABASE_URL);
  url.pathname = `/${name}`;
  return { url: url.href, remove: () => admin(`drop database if exists ${name} with (force)`) };
}
