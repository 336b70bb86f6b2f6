// What the kernel's headers declare is documented there: such names are told to be the kernel's own, unless the source says more.
import { Comment, Converter, ReflectionKind } from "typedoc";

const documented =
  ReflectionKind.Variable | ReflectionKind.Namespace | ReflectionKind.Module | ReflectionKind.TypeAlias;

export function load(app) {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const reflection of project.getReflectionsByKind(documented)) {
      const path = reflection.sources?.[0]?.fileName ?? "";
      if (!/(^|\/)ffi\/(linux|freebsd)\/abi(\/|\.ts)/.test(path) || reflection.hasComment()) continue;
      const text = "As the kernel's headers declare it.";
      reflection.comment = new Comment([{ kind: "text", text }]);
    }
  });
}
