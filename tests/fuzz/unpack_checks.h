// What holds of a directory that hostile archives are unpacked in, whatever they say.
#ifndef GLOVEBOX_TESTS_FUZZ_UNPACK_CHECKS_H_
#define GLOVEBOX_TESTS_FUZZ_UNPACK_CHECKS_H_

#include <filesystem>

namespace glovebox {

// An empty directory `in` below `top`, and beside it a file that is to stay as it is.
void PrepareUnpack(const std::filesystem::path& top);

// Nothing beside `in` was made, removed or changed; in it are files, directories and links alone,
// without set-id bits.
void CheckUnpacked(const std::filesystem::path& top);

}  // namespace glovebox

#endif  // GLOVEBOX_TESTS_FUZZ_UNPACK_CHECKS_H_
