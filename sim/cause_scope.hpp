// Code that goes on under another cause for as long as this stands.
#pragma once

#include "ticklab/sim/cpu.hpp"

namespace ticklab::sim {

class CauseScope {
public:
    CauseScope(Cpu& cpu, const Cause& cause) : cpu_(cpu), outer_(cpu.set_cause(cause)) {}
    ~CauseScope() { (void)cpu_.set_cause(outer_); }
    CauseScope(const CauseScope&) = delete;
    CauseScope& operator=(const CauseScope&) = delete;

private:
    Cpu& cpu_;
    Cause outer_;
};

}  // namespace ticklab::sim
