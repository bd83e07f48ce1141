import { readFileSync } from 'node:fs';

import { defineConfig, type Plugin } from 'vite';

/** noVNC is used as published and bundled; its licence asks that whoever receives it can find its terms and its source. */
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
  // One page is served at several paths (/console, /vnc_auto.html, …), so its assets are named from the root.
  base: '/',
  plugins: [licences()],
  build: {
    target: 'es2022',
    // The Content-Security-Policy allows no inline scripts or styles; images stay files as well.
    assetsInlineLimit: 0,
    modulePreload: false,
    rolldownOptions: { input: 'console.html' },
  },
});
