// sqlite3's JavaScript is klee's own part: its addon comes with klee's other native parts, without an installation of the
// sqlite3 package, which would compile it for a minute.

/** For esbuild. @param loader the module that finds addons of klee's. */
export const sqliteAddon = (loader) => ({
  name: "sqlite-addon",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /\/sqlite3-binding\.js$/ }, ({ resolveDir }) => ({
      path: "sqlite3-addon",
      namespace: "addon",
      pluginData: resolveDir,
    }));
    onLoad({ filter: /.*/, namespace: "addon" }, ({ pluginData }) => ({
      contents: `import { loadAddon } from ${JSON.stringify(loader)};\nmodule.exports = loadAddon("node_sqlite3.node");`,
      resolveDir: pluginData,
    }));
  },
});
