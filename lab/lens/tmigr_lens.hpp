// Prints the migration hierarchy at each change, the way comments of kernel code tell a race: a step, the tree after
// it, an arrow at what the step changed.
#pragma once

#include <algorithm>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "ticklab/lab/lens/hierarchy_view.hpp"
#include "ticklab/sim/record_stream.hpp"
#include "ticklab/sim/time.hpp"

namespace ticklab::lab {

class TmigrLens final : public sim::RecordConsumer {
public:
    using Print = std::function<void(std::string_view)>;

    /// Steps from `from` to `to`, both included; the first one is preceded by the tree before it.
    TmigrLens(Print print, sim::Time from, sim::Time to) : print_(std::move(print)), from_(from), to_(to) {}
    /// Before the run. `names` is the stream that the records come from.
    void watch(const sim::RecordStream& names) { names_ = &names; }
    void consume(std::span<const sim::Record> batch) override;

    /// Whether nothing was there to print.
    bool empty() const { return !begun_; }
    /// Whether a kernel with records of these kinds can have a hierarchy.
    static bool has_steps(std::span<const sim::RecordKind> kinds) {
        return std::any_of(kinds.begin(), kinds.end(), &HierarchyView::knows);
    }

private:
    void show(const HierarchyView& before, const HierarchyView& after) const;

    Print print_;
    sim::Time from_;
    sim::Time to_;
    const sim::RecordStream* names_ = nullptr;
    HierarchyView view_;
    bool begun_ = false;
};

}  // namespace ticklab::lab
