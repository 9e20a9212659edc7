import { type AddressInfo, createServer } from 'node:net';
import { expect, test } from 'vitest';
import { isPublicAddress } from './guard-address.ts';
import { renderMail, sendMail } from './send-mail.ts';

test('MO80 what is public is told by the address itself', () => {
  for (const address of ['8.8.8.8', '1.1.1.1', '172.32.0.1', '2606:4700::1111'])
    expect([address, isPublicAddress(address)]).toEqual([address, true]);
  for (const address of [
    '127.0.0.1',
    '10.1.2.3',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '100.64.0.1',
    '169.254.169.254',
    '0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    '::1',
    '::',
    '::ffff:8.8.8.8',
    'fe80::1',
    'fc00::1',
    '2002:7f00:1::',
    '2001:db8::1',
    '64:ff9b::7f00:1',
    'localhost',
    '',
  ]) {
    expect([address, isPublicAddress(address)]).toEqual([address, false]);
  }
});

/** A mail server that says yes to everything and remembers what it heard. */
async function mailServer(): Promise<{ port: number; heard: string[]; close: () => void }> {
  const heard: string[] = [];
  const server = createServer((socket) => {
    let isData = false;
    socket.write('220 ready\r\n');
    socket.on('data', (chunk) => {
      for (const line of chunk.toString().split('\r\n').filter(Boolean)) {
        heard.push(line);
        if (isData) {
          if (line !== '.') continue;
          isData = false;
          socket.write('250 kept\r\n');
        } else if (line.startsWith('EHLO')) socket.write('250-hello\r\n250 SIZE 1000\r\n');
        else if (line === 'DATA') {
          isData = true;
          socket.write('354 go on\r\n');
        } else if (line === 'QUIT') socket.write('221 bye\r\n');
        else socket.write(line.includes('nobody') ? '550 no such box\r\n' : '250 ok\r\n');
      }
    });
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, heard, close: () => void server.close() };
}

test('MO81 a mail is handed over; a refused receiver is told; a password never goes in the clear; no private host unless allowed', async () => {
  const { port, heard, close } = await mailServer();
  const allowed = new Set([`127.0.0.1:${port}`]);
  const server = { host: '127.0.0.1', port };
  const mail = { from: 'slipway@example.com', to: ['ada@example.com'], subject: 'Zwölf Boxkämpfer', text: 'line\n.\nend' };
  try {
    await sendMail(server, mail, allowed);
    expect(heard).toContain('RCPT TO:<ada@example.com>');
    expect(heard.join('\n')).toContain(Buffer.from(mail.text).toString('base64'));
    await expect(sendMail(server, { ...mail, to: ['nobody@example.com'] }, allowed)).rejects.toThrow('550 no such box');
    await expect(sendMail({ ...server, username: 'a', password: 'b' }, mail, allowed)).rejects.toThrow('no encryption');
    await expect(sendMail(server, mail, new Set())).rejects.toThrow('public internet');
  } finally {
    close();
  }
});

test('MO82 no address can add a header or a command of its own', () => {
  const rendered = renderMail({ from: 'a@b.c>\r\nBcc: x@y.z', to: ['d@e.f'], subject: 'one\r\nBcc: x@y.z', text: 'hi' });
  expect(rendered.split('\r\n').filter((line) => line.startsWith('Bcc'))).toEqual([]);
});
