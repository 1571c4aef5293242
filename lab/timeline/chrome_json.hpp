// Prints a timeline as Chrome JSON trace events (TE 1).
//
// Rules
//  - Metadata events first, then everything in order of time, an event a line; equal contents give equal bytes.
//  - Microseconds are printed from integers, with exactly three decimals.
#pragma once

#include "ticklab/lab/timeline/timeline_event.hpp"
#include "ticklab/lab/timeline/timeline_kinds.hpp"
#include "ticklab/lab/timeline/timeline_sink.hpp"
#include "ticklab/sim/record_stream.hpp"

namespace ticklab::lab {

/// Writes the whole document; does not close the sink. `names` resolves operands that are names and objects.
void write_chrome_json(const TimelineContent& content, const sim::RecordStream& names, const TimelineKinds& kinds,
                       TimelineSink& sink);

}  // namespace ticklab::lab
