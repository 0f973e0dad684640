option(GLOVEBOX_BUILD_TESTS "Build the tests" ON)
set(GLOVEBOX_SANITIZE "" CACHE STRING "Sanitizers of the instrumented code, e.g. address,undefined")
option(GLOVEBOX_FUZZ "Build the libFuzzer targets (clang)" OFF)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 17)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")

find_program(GLOVEBOX_CCACHE ccache)
if(GLOVEBOX_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER "${GLOVEBOX_CCACHE}")
  set(CMAKE_CXX_COMPILER_LAUNCHER "${GLOVEBOX_CCACHE}")
endif()

# What every target of ours is compiled with.
add_library(glovebox_warnings INTERFACE)
target_compile_options(glovebox_warnings INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wswitch-enum -Wformat=2 -Wundef -Werror
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor -Woverloaded-virtual>
  $<$<COMPILE_LANG_AND_ID:CXX,Clang>:-Wthread-safety>)

add_library(glovebox_hardening INTERFACE)
target_compile_options(glovebox_hardening INTERFACE
  -fstack-protector-strong -fcf-protection=full -fvisibility=hidden -fno-omit-frame-pointer
  $<$<CONFIG:Release>:-D_FORTIFY_SOURCE=3 -D_GLIBCXX_ASSERTIONS>)
target_link_options(glovebox_hardening INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)

# Not for the static binaries and the payloads: a sanitizer's threads, shadow memory and extra system calls
# break the plan that they carry out.
add_library(glovebox_sanitizers INTERFACE)
if(GLOVEBOX_SANITIZE)
  # g++ 12 sees uninitialized memory behind its own instrumentation; the release build has the warning.
  target_compile_options(glovebox_sanitizers INTERFACE
    -fsanitize=${GLOVEBOX_SANITIZE} -fno-sanitize-recover=all
    $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-maybe-uninitialized>)
  target_link_options(glovebox_sanitizers INTERFACE -fsanitize=${GLOVEBOX_SANITIZE})
endif()

# Coverage for libFuzzer in every library; the fuzz targets add its main.
if(GLOVEBOX_FUZZ)
  target_compile_options(glovebox_sanitizers INTERFACE -fsanitize=fuzzer-no-link)
endif()

# ThreadSanitizer cannot see into Debian's abseil and gRPC; the files say what is done about it. In every executable, whole.
if(GLOVEBOX_SANITIZE STREQUAL "thread")
  # It does not model fences; ours order memory shared with another process, which it does not watch at all.
  target_compile_options(glovebox_sanitizers INTERFACE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-tsan>)
  add_library(glovebox_tsan_support STATIC "${CMAKE_SOURCE_DIR}/tests/support/tsan_mutex.cc"
                                           "${CMAKE_SOURCE_DIR}/tests/support/tsan_defaults.cc")
  target_compile_options(glovebox_tsan_support PRIVATE -fsanitize=thread -fno-omit-frame-pointer)
  target_link_libraries(glovebox_sanitizers INTERFACE "$<LINK_LIBRARY:WHOLE_ARCHIVE,glovebox_tsan_support>")
endif()
