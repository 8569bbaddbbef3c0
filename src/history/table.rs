//! Decisions as lines of a table for other programs.

use super::row::Row;

/// The columns of [`csv_line`].
pub const CSV_HEAD: &str = "id,time,hook,outcome,action,code,decided_by,class,reviewed,caller,message_id,\
client_message_id,operation_id,sender,target,conversation,content_type,version,lists,lines,endpoint,\
answer,filter_us,endpoint_us,total_us,weight";

/// A decision as one line of CSV, without its end.
///
/// What a spreadsheet would take for a formula has a `'` before it.
pub fn csv_line(row: &Row) -> String {
    let joined = |of: fn(&super::RowMatch) -> String| {
        let all: Vec<String> = row.matches.iter().map(of).collect();
        all.join(" ")
    };
    let number = |number: u64| number.to_string();
    let cells = [
        row.id.to_string(),
        row.time(),
        row.hook.clone(),
        row.outcome.clone(),
        row.action.clone(),
        row.code.map(|code| code.to_string()).unwrap_or_default(),
        row.decided_by.clone(),
        row.class.clone().unwrap_or_default(),
        row.reviewed.to_string(),
        row.caller.clone().unwrap_or_default(),
        row.message_id.clone(),
        row.client_message_id.clone(),
        row.operation_id.clone(),
        row.sender.clone(),
        row.target.clone(),
        row.conversation.clone(),
        row.content_type.to_string(),
        format!("{}-{}", row.version.number, row.version.hash),
        joined(|found| found.list.clone()),
        joined(|found| found.line.to_string()),
        row.endpoint.clone().unwrap_or_default(),
        row.answer.clone().unwrap_or_default(),
        number(row.filter_us),
        number(row.endpoint_us),
        number(row.total_us),
        number(u64::from(row.weight)),
    ];
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    // Writing into memory cannot fail.
    let _ = writer.write_record(cells.map(harmless));
    let bytes = writer.into_inner().unwrap_or_default();
    String::from_utf8_lossy(&bytes)
        .trim_end_matches('\n')
        .to_owned()
}

fn harmless(cell: String) -> String {
    match cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        true => format!("'{cell}"),
        false => cell,
    }
}
