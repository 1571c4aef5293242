#include "ticklab/lab/compare/package_idle.hpp"

namespace ticklab::lab {

void PackageIdle::change(sim::Time at, int delta, sim::Time now) {
    changes_[at] += delta;
    if (now - sim::kBoot > longest_delay_)
        settle(now - longest_delay_);
}

void PackageIdle::settle(sim::Time until) {
    for (auto next = changes_.begin(); next != changes_.end() && next->first < until; next = changes_.erase(next)) {
        if (awake_ == 0)
            total_ += next->first - settled_;
        settled_ = next->first;
        awake_ += next->second;
    }
}

sim::Duration PackageIdle::total(sim::Time at) {
    settle(at);
    if (awake_ == 0 && settled_ < at)
        total_ += at - settled_;
    settled_ = at;
    return total_;
}

}  // namespace ticklab::lab
