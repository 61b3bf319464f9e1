// Package record writes down what a scripted agent did: the transcript, the state file and the ground truth of prompts.
package record
