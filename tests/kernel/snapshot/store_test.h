#ifndef GLOVEBOX_TESTS_KERNEL_SNAPSHOT_STORE_TEST_H_
#define GLOVEBOX_TESTS_KERNEL_SNAPSHOT_STORE_TEST_H_

#include <cstdlib>
#include <memory>
#include <string>

#include "snapshot/snapshot_store.h"
#include "tests/kernel/snapshot/state_directory.h"

namespace glovebox {

// A snapshot store in a state directory.
class StoreTest : public StateDirectoryTest {
 protected:
  StoreTest() { OpenStore(); }

  // As the next daemon does.
  void OpenStore() {
    store_.reset();
    auto store = SnapshotStore::Open(directory_, disks_.get(), &clock_);
    if (!store.ok()) {
      ADD_FAILURE() << store.status();
      std::abort();
    }
    store_ = *std::move(store);
  }
  std::string PathOf(const SnapshotInfo& info) const {
    return directory_ + "/snapshots/" + info.digest.substr(7);
  }

  std::unique_ptr<SnapshotStore> store_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_TESTS_KERNEL_SNAPSHOT_STORE_TEST_H_
