include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(TARGETS ticklab_sim EXPORT ticklab ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY sim/ DESTINATION include/ticklab/sim FILES_MATCHING PATTERN "*.hpp")
install(EXPORT ticklab NAMESPACE ticklab:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/ticklab FILE ticklabTargets.cmake)
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/ticklabConfig.cmake
  "include(CMakeFindDependencyMacro)\nfind_dependency(Boost COMPONENTS context)\nfind_dependency(fmt)\n"
  "include(\${CMAKE_CURRENT_LIST_DIR}/ticklabTargets.cmake)\n")
write_basic_package_version_file(ticklabConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/ticklabConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/ticklabConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/ticklab)
