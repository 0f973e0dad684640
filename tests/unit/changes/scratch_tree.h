// A directory of the test's own, removed at its end, with short ways to fill it.
#ifndef GLOVEBOX_TESTS_UNIT_CHANGES_SCRATCH_TREE_H_
#define GLOVEBOX_TESTS_UNIT_CHANGES_SCRATCH_TREE_H_

#include <string>

#include "base/unique_fd.h"
#include "changes/change.h"

namespace glovebox {

class ScratchTree {
 public:
  ScratchTree();
  ~ScratchTree();
  ScratchTree(const ScratchTree&) = delete;
  ScratchTree& operator=(const ScratchTree&) = delete;

  std::string Path(const std::string& relative) const { return root_ + "/" + relative; }
  void MakeDir(const std::string& relative) const;  // and its parents
  void Write(const std::string& relative, const std::string& content, unsigned mode = 0644) const;
  void Link(const std::string& target, const std::string& relative) const;
  void Fifo(const std::string& relative) const;
  void SetXattr(const std::string& relative, const char* name, const std::string& value) const;
  UniqueFd OpenDir(const std::string& relative) const;

 private:
  std::string root_;
};

// "A path 100644 100755" lines, one per change: letter, path, old and new mode.
std::string Describe(const std::vector<Change>& changes);

}  // namespace glovebox

#endif  // GLOVEBOX_TESTS_UNIT_CHANGES_SCRATCH_TREE_H_
