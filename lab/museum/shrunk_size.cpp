#include "ticklab/lab/museum/shrunk_size.hpp"

#include <stdexcept>

#include "ticklab/lab/shrink/shrink.hpp"

namespace ticklab::lab {
namespace {

ScheduleSize schedule_size(const ShrinkCase& c) { return {c.decisions.size(), c.disturbance.jitter_per_1024 != 0}; }

}  // namespace

ShrunkSize shrunk_size(const ScenarioLoader& loader, const Exhibit& exhibit, const HuntFailure& failure,
                       const std::function<bool()>& interrupted) {
    ShrinkCase failing;
    failing.scenario = exhibit.broken_document;
    for (const char* const needless : {"museum", "expect"})
        failing.scenario.erase(needless);
    failing.disturbance = failure.disturbance.value_or(Disturbance::of(exhibit.broken.machine));
    CaseRunner runner(loader, exhibit.file, failure.seed, hunt_looks(exhibit.broken.duration));
    const CaseRun first = runner.record(failing, failure.schedule);
    if (first.check != failure.check)
        throw std::logic_error(exhibit.file + ": a failure of the hunt does not come back");
    ShrinkObserver observer;
    observer.progress = [](const Shrunk&) {};
    observer.interrupted = interrupted;
    const Shrunk shrunk = shrink(runner, failing, first, kMuseumShrinkRuns, observer);
    return {schedule_size(failing), schedule_size(shrunk.shrink_case), shrunk.end == ShrinkEnd::kMinimal};
}

}  // namespace ticklab::lab
