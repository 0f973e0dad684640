# The include root of all code is runtime/, for quoted includes only: <linux/mount.h> stays the kernel's header
# although there is a runtime/linux/mount.h.
add_library(glovebox_include_root INTERFACE)
target_compile_options(glovebox_include_root INTERFACE "SHELL:-iquote ${CMAKE_SOURCE_DIR}/runtime")

# The headers that nearly every file includes cost it more than a second, those of GoogleTest another: each target with
# some files compiles them once. Includes stay as they are. ccache keeps such objects only with
# CCACHE_SLOPPINESS=pch_defines,time_macros, which tools/test sets. g++ 12 then sees some uses of std::string's + and
# insert out of bounds (-Warray-bounds) that are not: absl::StrCat is quiet.
function(glovebox_precompile name)
  get_target_property(sources ${name} SOURCES)
  list(FILTER sources INCLUDE REGEX "\\.cc$")
  list(LENGTH sources count)
  if(count GREATER 2)
    target_precompile_headers(${name} PRIVATE
      <algorithm> <functional> <map> <memory> <optional> <string> <vector> <absl/status/statusor.h>
      <absl/strings/str_cat.h> ${ARGN})
  endif()
endfunction()

# glovebox_library(NAME SOURCES... DEPS... [PRIVATE_DEPS...])
# One static library per folder, named glovebox::NAME.
function(glovebox_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(glovebox_${name} STATIC ${ARG_SOURCES})
  add_library(glovebox::${name} ALIAS glovebox_${name})
  target_link_libraries(glovebox_${name}
    PUBLIC ${ARG_DEPS} glovebox_include_root glovebox_sanitizers
    PRIVATE ${ARG_PRIVATE_DEPS} glovebox_warnings glovebox_hardening)
  glovebox_precompile(glovebox_${name})
endfunction()

# glovebox_embedded(NAME PROGRAMS... [SOURCES... DEPS...])
# The library glovebox::NAME, which has each glovebox-PROGRAM as bytes (runtime/base/embedded_program.h).
function(glovebox_embedded name)
  cmake_parse_arguments(ARG "" "" "PROGRAMS;SOURCES;DEPS" ${ARGN})
  foreach(program ${ARG_PROGRAMS})
    set(program_path "${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/glovebox-${program}")
    set(assembly "${CMAKE_CURRENT_BINARY_DIR}/embedded_${program}.S")
    configure_file("${CMAKE_SOURCE_DIR}/cmake/embedded_program.S.in" "${assembly}" @ONLY)
    set_source_files_properties("${assembly}" PROPERTIES OBJECT_DEPENDS "${program_path}")
    list(APPEND ARG_SOURCES "${assembly}")
  endforeach()
  glovebox_library(${name} SOURCES ${ARG_SOURCES} DEPS glovebox::base ${ARG_DEPS})
  list(TRANSFORM ARG_PROGRAMS PREPEND "glovebox-")
  add_dependencies(glovebox_${name} ${ARG_PROGRAMS})
endfunction()

# glovebox_binary(NAME SOURCES... DEPS...): a dynamic executable in bin/.
function(glovebox_binary name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name}
    PRIVATE ${ARG_DEPS} glovebox_include_root glovebox_sanitizers glovebox_warnings glovebox_hardening)
endfunction()

# glovebox_static_binary(NAME SOURCES...): a small static executable without libstdc++'s start-up, exceptions or
# RTTI, never instrumented: glovebox-init, glovebox-spawner and the test payloads.
function(glovebox_static_binary name)
  cmake_parse_arguments(ARG "" "" "SOURCES" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_compile_options(${name} PRIVATE
    -Os -fno-exceptions -fno-rtti -fno-threadsafe-statics -ffunction-sections -fdata-sections -fno-pie)
  set_target_properties(${name} PROPERTIES LINKER_LANGUAGE C POSITION_INDEPENDENT_CODE OFF)
  target_link_options(${name} PRIVATE -static -no-pie -Wl,--gc-sections)
  target_link_libraries(${name} PRIVATE glovebox_include_root glovebox_warnings glovebox_hardening)
endfunction()

# glovebox_bare_binary(NAME SOURCES...): a static executable without any C library (runtime/linux/bare_start.h is its
# start-up): glovebox-init and glovebox-spawner. A static glibc would cost every sandbox 0.35 ms and twenty pages.
function(glovebox_bare_binary name)
  cmake_parse_arguments(ARG "" "" "SOURCES" ${ARGN})
  add_executable(${name} ${ARG_SOURCES} "${CMAKE_SOURCE_DIR}/runtime/linux/bare_start.cc")
  # Quoted includes only: <linux/...> is the kernel's, also where runtime/linux/ has a file of that name. The same bytes
  # wherever they are built: a path in __FILE__ begins at the top of the tree.
  target_compile_options(${name} PRIVATE
    "-ffile-prefix-map=${CMAKE_SOURCE_DIR}=."
    -iquote "${CMAKE_SOURCE_DIR}/runtime"
    -Os -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-asynchronous-unwind-tables
    -ffunction-sections -fdata-sections -fno-pie)
  set_target_properties(${name} PROPERTIES LINKER_LANGUAGE C POSITION_INDEPENDENT_CODE OFF)
  target_link_options(${name} PRIVATE -static -no-pie -nostdlib -Wl,--gc-sections,--build-id=none,-s)
  target_link_libraries(${name} PRIVATE glovebox_warnings glovebox_hardening)
endfunction()

# glovebox_test(NAME LABELS... SOURCES... DEPS... [PROPERTIES...])
# A GoogleTest executable; each TEST becomes a ctest with a time limit.
function(glovebox_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT;RESOURCE_LOCK" "SOURCES;DEPS;LABELS;ENVIRONMENT" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 60)
  endif()
  if(GLOVEBOX_SANITIZE) # unoptimised and instrumented: 5 to 70 times as slow as the release
    math(EXPR ARG_TIMEOUT "4 * ${ARG_TIMEOUT}")
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_compile_options(${name} PRIVATE "SHELL:-iquote ${CMAKE_SOURCE_DIR}")
  target_link_libraries(${name}
    PRIVATE ${ARG_DEPS} GTest::gmock GTest::gtest_main glovebox_include_root glovebox_sanitizers
    glovebox_warnings)
  glovebox_precompile(${name} <gtest/gtest.h>)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  # One ctest per executable: starting a process per TEST would cost more than the tests do.
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT})
  if(ARG_RESOURCE_LOCK)
    set_tests_properties(${name} PROPERTIES RESOURCE_LOCK "${ARG_RESOURCE_LOCK}")
  endif()
  if(ARG_ENVIRONMENT)
    set_tests_properties(${name} PROPERTIES ENVIRONMENT "${ARG_ENVIRONMENT}")
  endif()
endfunction()

# glovebox_precompile_grpc(NAME HEADERS...): gRPC's and protobuf's headers cost about five seconds in each source file
# that includes them; a target with many such files compiles them once. Includes stay as they are. ccache keeps such
# objects only with CCACHE_SLOPPINESS=pch_defines,time_macros, which tools/test sets.
function(glovebox_precompile_grpc name)
  target_precompile_headers(${name} PRIVATE <grpcpp/grpcpp.h> ${ARGN})
endfunction()
