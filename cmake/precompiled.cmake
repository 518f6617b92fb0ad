# Headers of others that most sources include take up to half of the time of compiling one. precompiled(NAME [LIBRARY] HEADERS... LINK ...)
# parses them once; target_precompile_headers(TARGET REUSE_FROM NAME) takes them for a target that is compiled alike.
# Sources include what they use all the same: ./test makes its build for ThreadSanitizer without these, so that an #include
# that is missing is found. A compiler cache wants sources as they are, so with one there are none.
if(CMAKE_CXX_COMPILER_LAUNCHER MATCHES "ccache")
  set(CMAKE_DISABLE_PRECOMPILE_HEADERS ON)
endif()
if(NOT CMAKE_DISABLE_PRECOMPILE_HEADERS)
  # With them g++ 12 sees strings written beyond their end that are not; without them it does not.
  target_compile_options(flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-array-bounds$<SEMICOLON>-Wno-stringop-overflow>)
endif()

function(precompiled name)
  cmake_parse_arguments(ARG "LIBRARY" "" "HEADERS;LINK;OPTIONS" ${ARGN})
  set(source ${CMAKE_CURRENT_BINARY_DIR}/${name}.cc)
  file(CONFIGURE OUTPUT ${source} CONTENT "")
  add_library(${name} OBJECT ${source})
  target_link_libraries(${name} PRIVATE flags ${ARG_LINK})
  target_compile_options(${name} PRIVATE ${ARG_OPTIONS})
  target_precompile_headers(${name} PRIVATE ${ARG_HEADERS})
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ${ARG_LIBRARY})
endfunction()

set(COMMON_HEADERS
    <algorithm> <array> <chrono> <functional> <map> <memory> <optional> <span> <string> <string_view> <vector>
    <absl/container/flat_hash_map.h> <absl/functional/function_ref.h> <fmt/format.h>)
precompiled(common_headers LIBRARY HEADERS ${COMMON_HEADERS} LINK fmt::fmt OPTIONS ${CHECKED_OPTIONS})
set(FAST_OPTIONS $<$<CONFIG:Release>:-O3>)
precompiled(fast_headers LIBRARY HEADERS ${COMMON_HEADERS} LINK fmt::fmt OPTIONS ${FAST_OPTIONS} ${CHECKED_OPTIONS})
precompiled(packet_headers HEADERS ${COMMON_HEADERS} LINK fmt::fmt OPTIONS ${FAST_OPTIONS})
if(IPSECKEY_TESTS)
  # To compile a test takes longer than to run it: -O1 takes half the time of -O3, and with sanitizers -O0 half of that.
  # What is tested is compiled as the build says.
  set(TEST_OPTIONS $<IF:$<BOOL:${IPSECKEY_SANITIZE}>,-O0,-O1>)
  precompiled(test_headers HEADERS ${COMMON_HEADERS} <gmock/gmock.h> LINK fmt::fmt GTest::gmock OPTIONS ${TEST_OPTIONS})
endif()
