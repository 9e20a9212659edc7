/** The version of this program; the same in every manifest (tools/lockfile.test.ts). */
export const VERSION = '0.1.0';
