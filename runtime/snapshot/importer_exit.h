// How glovebox-importer, which unpacks foreign input in a worker sandbox, says how it ended. Its
// last line on stderr is then "error: " and the reason.
#ifndef GLOVEBOX_SNAPSHOT_IMPORTER_EXIT_H_
#define GLOVEBOX_SNAPSHOT_IMPORTER_EXIT_H_

namespace glovebox {

enum ImporterExit {
  kImporterDone = 0,
  kImporterRefused = 21,   // the source holds what is not taken, or is broken
  kImporterTooLarge = 22,  // it goes beyond a limit
  kImporterFailed = 23,    // a system call failed
  kImporterMissing = 24,   // a blob of an upload is not there; the reason begins "blob <name> "
  kImporterDamaged = 25,   // a blob is not what its digest says; likewise
};

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_IMPORTER_EXIT_H_
