// What ThreadSanitizer is told in every executable built with it.
//
// Debian's gRPC is not instrumented: the order that its own locks and queues make is not seen, so
// that every object which it hands from one of its threads to another looks like a race. Accesses
// made by such libraries are ignored as a whole. gRPC's headers, however, put the bookkeeping of an
// operation (CallOpSet, its interceptors, the end of its callback) into our executables as
// templates, instrumented, while the hand-over between threads is in the library. Only reports with
// such a frame are suppressed: what handlers and reactors touch does not run below them and stays
// watched.
extern "C" {

const char* __tsan_default_options();
const char* __tsan_default_options() { return "ignore_noninstrumented_modules=1"; }

const char* __tsan_default_suppressions();
const char* __tsan_default_suppressions() {
  return "race:grpc::internal::CallOpSet\n"
         "race:grpc::internal::CallbackWithSuccessTag::Clear\n"
         "race:grpc::internal::InterceptorBatchMethodsImpl\n";
}
}
