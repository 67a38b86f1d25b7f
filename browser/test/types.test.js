import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const file = (name) => fileURLToPath(new URL(name, import.meta.url));
const declarations = file("../types/index.d.ts");

/** A compiler is slow to start. */
const patience = { timeout: 900_000 };

describe("types", patience, () => {
  // The package finds itself by its name.
  const program = ts.createProgram([file("types/right.ts"), file("types/wrong.ts")], {
    strict: true,
    noEmit: true,
    skipDefaultLibCheck: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    types: [],
  });

  it("take what is right and refuse what is wrong", patience, () => {
    const host = { getCanonicalFileName: (name) => name, getCurrentDirectory: () => file("."), getNewLine: () => "\n" };
    assert.deepEqual(ts.getPreEmitDiagnostics(program).map((diagnostic) => ts.formatDiagnostic(diagnostic, host)), []);
    assert.ok(program.getSourceFile(declarations), "the types are those of this package");
  });

  it("name what the module has, and no more", patience, async () => {
    const module = await import("../src/index.js");
    const checker = program.getTypeChecker();
    const symbol = checker.getSymbolAtLocation(program.getSourceFile(declarations));
    const values = checker.getExportsOfModule(symbol).filter((held) => {
      const { flags } = held.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(held) : held;
      return flags & ts.SymbolFlags.Value && !held.declarations.some(ts.isTypeOnlyExportDeclaration);
    });
    assert.deepEqual(values.map(({ name }) => name).sort(), Object.keys(module).sort());
  });
});
