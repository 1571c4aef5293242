# One place for the flags that every ticklab target is built with.
function(ticklab_target target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wconversion -Wshadow)
  # gcc 12 sees overlaps in std::string (GCC bug 105651) and uninitialised alternatives of std::variant and std::optional
  # (GCC bug 105562), and overflows in what it inlines from fmt's buffers, that are not there; clang and the sanitizers
  # look for the real ones.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(${target} PRIVATE -Wno-restrict -Wno-maybe-uninitialized -Wno-stringop-overflow)
  endif()
  if(TICKLAB_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(TICKLAB_SANITIZE)
    target_compile_options(${target} PUBLIC -fsanitize=${TICKLAB_SANITIZE} -fno-sanitize-recover=all
                                            -fno-omit-frame-pointer)
    target_link_options(${target} PUBLIC -fsanitize=${TICKLAB_SANITIZE})
  endif()
endfunction()

# A library of one room: every .cpp file below the folder. The CMakeLists.txt among the sources lets a room be a library
# before it has any.
function(ticklab_library name folder)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${folder}/*.cpp)
  add_library(ticklab_${name} STATIC ${sources} CMakeLists.txt)
  add_library(ticklab::${name} ALIAS ticklab_${name})
  set_target_properties(ticklab_${name} PROPERTIES EXPORT_NAME ${name} LINKER_LANGUAGE CXX)
  target_include_directories(ticklab_${name} PUBLIC $<BUILD_INTERFACE:${TICKLAB_INCLUDE_ROOT}>
                                                    $<INSTALL_INTERFACE:include>)
  ticklab_target(ticklab_${name})
  set_property(GLOBAL APPEND PROPERTY TICKLAB_LIBRARIES ticklab_${name})
endfunction()
