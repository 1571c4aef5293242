#pragma once

#include "ticklab/sim/cause_scope.hpp"

namespace ticklab::xen {

using sim::CauseScope;

}  // namespace ticklab::xen
