#include "source_dir.hpp"

namespace ticklab {

std::string source_dir() { return TICKLAB_SOURCE_DIR; }

}  // namespace ticklab
