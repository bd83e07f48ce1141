import { readFileSync } from 'node:fs';

import { defineConfig, type Plugin } from 'vite';

/**
 * Adds the licences of noVNC to the bundle. noVNC is unmodified, and its licence requires a
 * reference to its terms and source.
 */
function licences(): Plugin {
  const novnc = new URL('node_modules/@novnc/novnc/', import.meta.url);
  const text = (path: string): string => readFileSync(new URL(path, novnc), 'utf8');
  const { version } = JSON.parse(text('package.json')) as { version: string };
  const parts = ['LICENSE.txt', 'AUTHORS', 'docs/LICENSE.MPL-2.0', 'docs/LICENSE.BSD-2-Clause', 'docs/LICENSE.BSD-3-Clause', 'vendor/pako/LICENSE'];
  const notice = `noVNC ${version}, unmodified, MPL-2.0. Source: https://github.com/novnc/noVNC/tree/v${version}`;
  return {
    name: 'licences',
    generateBundle(_, bundle) {
      const body = [notice, ...parts.map((part) => `==== ${part}\n\n${text(part)}`)].join('\n\n');
      const id = this.emitFile({ type: 'asset', name: 'licences.txt', source: body });
      for (const chunk of Object.values(bundle)) {
        if (chunk.type === 'chunk' && chunk.moduleIds.some((module) => module.includes('@novnc/novnc'))) {
          chunk.code = `/*! ${notice}. Terms: /${this.getFileName(id)} */\n${chunk.code}`;
        }
      }
    },
  };
}

export default defineConfig({
  // The server serves this page at several paths (/console, /vnc_auto.html, …), so asset paths
  // start at the root.
  base: '/',
  plugins: [licences()],
  build: {
    target: 'es2022',
    // The Content-Security-Policy forbids inline scripts and styles. Images stay separate files as
    // well.
    assetsInlineLimit: 0,
    modulePreload: false,
    rolldownOptions: { input: 'console.html' },
  },
});
