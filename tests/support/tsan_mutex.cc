// absl::Mutex, CondVar and Notification over pthreads, for builds with ThreadSanitizer only.
//
// Debian's abseil is not instrumented: ThreadSanitizer sees neither its futex calls nor its
// atomics, so everything that an absl::Mutex guards would be reported as a race. These definitions
// stand in the executable, where the dynamic linker finds them before those of
// libabsl_synchronization.so, also for calls from other libraries (gRPC). ThreadSanitizer
// intercepts the pthread calls. The word of each object holds a pointer to its pthread objects,
// made at first use. Readers exclude each other; conditions are tested again after every change
// under the lock, as abseil promises.
#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <cstdint>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace {

struct Lockable {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t unlocked = PTHREAD_COND_INITIALIZER;
  int waiting = 0;  // for a condition; guarded by mutex
};

template <typename T>
T* Of(std::atomic<intptr_t>* word) {
  intptr_t value = word->load(std::memory_order_acquire);
  if (value == 0) {
    auto* fresh = new T;
    if (word->compare_exchange_strong(value, reinterpret_cast<intptr_t>(fresh))) return fresh;
    delete fresh;
  }
  return reinterpret_cast<T*>(value);
}

template <typename T>
void Free(std::atomic<intptr_t>* word) {
  delete reinterpret_cast<T*>(word->exchange(0));
}

struct Signalled {
  pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
};

void Release(Lockable* lock) {
  if (lock->waiting > 0) (void)pthread_cond_broadcast(&lock->unlocked);  // fails for bad arguments
  (void)pthread_mutex_unlock(&lock->mutex);                              // only
}

// False when `deadline` passed first.
bool WaitUntil(pthread_cond_t* condition, pthread_mutex_t* mutex, absl::Time deadline) {
  if (deadline == absl::InfiniteFuture()) {
    (void)pthread_cond_wait(condition, mutex);  // fails for bad arguments only
    return true;
  }
  const timespec when = absl::ToTimespec(deadline);
  return pthread_cond_timedwait(condition, mutex, &when) != ETIMEDOUT;
}

bool AwaitLocked(Lockable* lock, const absl::Condition& condition, absl::Time deadline) {
  bool in_time = true;
  while (!condition.Eval() && in_time) {
    // Whoever waits for what this thread changed before it began to wait.
    if (lock->waiting > 0) (void)pthread_cond_broadcast(&lock->unlocked);
    ++lock->waiting;
    in_time = WaitUntil(&lock->unlocked, &lock->mutex, deadline);
    --lock->waiting;
  }
  return condition.Eval();
}

}  // namespace

namespace absl {
ABSL_NAMESPACE_BEGIN

Mutex::~Mutex() { Free<Lockable>(&mu_); }
void Mutex::Lock() { (void)pthread_mutex_lock(&Of<Lockable>(&mu_)->mutex); }
void Mutex::Unlock() { Release(Of<Lockable>(&mu_)); }
bool Mutex::TryLock() { return pthread_mutex_trylock(&Of<Lockable>(&mu_)->mutex) == 0; }
void Mutex::ReaderLock() { Lock(); }
void Mutex::ReaderUnlock() { Unlock(); }
bool Mutex::ReaderTryLock() { return TryLock(); }
void Mutex::AssertHeld() const {}
void Mutex::AssertReaderHeld() const {}
void Mutex::AssertNotHeld() const {}
void Mutex::ForgetDeadlockInfo() {}
void Mutex::EnableDebugLog(const char*) {}
void Mutex::EnableInvariantDebugging(void (*)(void*), void*) {}

void Mutex::Await(const Condition& c) { (void)AwaitWithDeadline(c, InfiniteFuture()); }
bool Mutex::AwaitWithTimeout(const Condition& c, Duration timeout) {
  return AwaitWithDeadline(c, Now() + timeout);
}
bool Mutex::AwaitWithDeadline(const Condition& c, Time deadline) {
  return AwaitLocked(Of<Lockable>(&mu_), c, deadline);
}
void Mutex::LockWhen(const Condition& c) { (void)LockWhenWithDeadline(c, InfiniteFuture()); }
bool Mutex::LockWhenWithTimeout(const Condition& c, Duration timeout) {
  return LockWhenWithDeadline(c, Now() + timeout);
}
bool Mutex::LockWhenWithDeadline(const Condition& c, Time deadline) {
  Lock();
  return AwaitWithDeadline(c, deadline);
}
void Mutex::ReaderLockWhen(const Condition& c) { LockWhen(c); }
bool Mutex::ReaderLockWhenWithTimeout(const Condition& c, Duration timeout) {
  return LockWhenWithTimeout(c, timeout);
}
bool Mutex::ReaderLockWhenWithDeadline(const Condition& c, Time deadline) {
  return LockWhenWithDeadline(c, deadline);
}

// The mutex's word is private to it: CondVar reaches it as its first and only member.
static_assert(sizeof(Mutex) == sizeof(std::atomic<intptr_t>));

CondVar::~CondVar() { Free<Signalled>(&cv_); }
void CondVar::EnableDebugLog(const char*) {}
void CondVar::Signal() { (void)pthread_cond_signal(&Of<Signalled>(&cv_)->condition); }
void CondVar::SignalAll() { (void)pthread_cond_broadcast(&Of<Signalled>(&cv_)->condition); }
void CondVar::Wait(Mutex* mutex) { (void)WaitWithDeadline(mutex, InfiniteFuture()); }
bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  return WaitWithDeadline(mutex, Now() + timeout);
}
bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  auto* lock = Of<Lockable>(reinterpret_cast<std::atomic<intptr_t>*>(mutex));
  if (lock->waiting > 0) (void)pthread_cond_broadcast(&lock->unlocked);
  return !WaitUntil(&Of<Signalled>(&cv_)->condition, &lock->mutex, deadline);
}

void Notification::Notify() {
  const MutexLock lock(&mutex_);
  notified_yet_.store(true, std::memory_order_release);
}
void Notification::WaitForNotification() const {
  (void)WaitForNotificationWithDeadline(InfiniteFuture());
}
bool Notification::WaitForNotificationWithTimeout(Duration timeout) const {
  return WaitForNotificationWithDeadline(Now() + timeout);
}
bool Notification::WaitForNotificationWithDeadline(Time deadline) const {
  const bool notified = mutex_.LockWhenWithDeadline(
      Condition(&Notification::HasBeenNotifiedInternal, &notified_yet_), deadline);
  mutex_.Unlock();
  return notified;
}

ABSL_NAMESPACE_END
}  // namespace absl
