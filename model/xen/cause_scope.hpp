// Code that goes on under another cause for as long as this stands.
#pragma once

#include "ticklab/sim/cpu.hpp"

namespace ticklab::xen {

class CauseScope {
public:
    CauseScope(sim::Cpu& cpu, const sim::Cause& cause) : cpu_(cpu), outer_(cpu.set_cause(cause)) {}
    ~CauseScope() { (void)cpu_.set_cause(outer_); }
    CauseScope(const CauseScope&) = delete;
    CauseScope& operator=(const CauseScope&) = delete;

private:
    sim::Cpu& cpu_;
    sim::Cause outer_;
};

}  // namespace ticklab::xen
